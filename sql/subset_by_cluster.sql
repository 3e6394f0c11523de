-- How many rows of each cluster a selection keeps; label -1 stands for the rows without image.
-- inputs: clusters.clusters, selected_subset.subset
-- parameters: $dataset, $selection
-- grain: one row per cluster, smallest first
WITH chosen AS (
    SELECT row
    FROM selected_subset.subset
    WHERE dataset = $dataset AND selection = $selection
)

SELECT
    clusters.label,
    count(*) AS n_rows,
    count(chosen.row) AS n_chosen
FROM clusters.clusters AS clusters
LEFT JOIN chosen ON clusters.row = chosen.row
WHERE clusters.dataset = $dataset
GROUP BY clusters.label
ORDER BY
    n_rows,
    clusters.label
