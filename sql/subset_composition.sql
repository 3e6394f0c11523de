-- Which tasks a selection keeps: rows and shares in the subset and in the whole dataset.
-- inputs: raw_dataset.samples, selected_subset.subset
-- parameters: $dataset, $selection
-- grain: one row per task of the dataset, largest first ('(none)' where the source names no task)
WITH chosen AS (
    SELECT row
    FROM selected_subset.subset
    WHERE dataset = $dataset AND selection = $selection
),

tasks AS (
    SELECT
        coalesce(samples.task, '(none)') AS task,
        count(*) AS n_dataset,
        count(chosen.row) AS n_subset
    FROM raw_dataset.samples AS samples
    LEFT JOIN chosen ON samples.row = chosen.row
    WHERE samples.dataset = $dataset
    GROUP BY coalesce(samples.task, '(none)')
)

SELECT
    task,
    n_dataset,
    n_subset,
    n_dataset / sum(n_dataset) OVER () AS dataset_fraction,
    n_subset / nullif(sum(n_subset) OVER (), 0) AS subset_fraction
FROM tasks
ORDER BY
    n_dataset DESC,
    task
