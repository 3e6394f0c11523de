-- Why records of a dataset were refused.
-- inputs: raw_dataset.quarantine
-- parameters: $dataset
-- grain: one row per split and reason, most frequent first
SELECT
    split,
    reason,
    count(*) AS n_records,
    min(detail) AS example
FROM raw_dataset.quarantine
WHERE dataset = $dataset
GROUP BY
    split,
    reason
ORDER BY
    split,
    n_records DESC,
    reason
