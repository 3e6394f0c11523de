-- Images (by content) that more than one row of a dataset shows.
-- inputs: raw_dataset.samples
-- parameters: $dataset
-- grain: one row per shared image, most shared first
WITH shown AS (
    SELECT DISTINCT
        unnest(image_hashes) AS image_hash,
        row,
        sample_id
    FROM raw_dataset.samples
    WHERE dataset = $dataset
)

SELECT
    image_hash,
    count(*) AS n_rows,
    min_by(sample_id, row) AS first_sample_id
FROM shown
GROUP BY image_hash
HAVING count(*) > 1
ORDER BY
    n_rows DESC,
    image_hash
