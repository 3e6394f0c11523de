-- The chosen rows of every selection, with what is known of each sample.
-- inputs: raw_dataset.samples, selected_subset.subset
-- parameters: none
-- grain: one row per dataset, selection and chosen sample
SELECT
    subset.dataset,
    subset.selection,
    subset.row,
    subset.sample_id,
    samples.task,
    samples.n_turns,
    samples.n_images
FROM selected_subset.subset AS subset
INNER JOIN raw_dataset.samples AS samples
    ON subset.dataset = samples.dataset
    AND subset.row = samples.row
