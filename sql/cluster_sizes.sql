-- How large the clusters of a dataset are, and how stable; label -1 stands for the rows without image.
-- inputs: clusters.clusters
-- parameters: $dataset
-- grain: one row per cluster, smallest first
SELECT
    label,
    count(*) AS n_rows,
    min(instability) AS least_instability,
    avg(instability) AS mean_instability
FROM clusters.clusters
WHERE dataset = $dataset
GROUP BY label
ORDER BY
    n_rows,
    label
