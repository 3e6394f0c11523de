-- Every answer of every target model, with its selection's parts (the budget as the decimal in the key).
-- inputs: benchmark_scores.answers
-- parameters: none
-- grain: one row per dataset, selection and question
SELECT
    answers.dataset,
    answers.selection,
    regexp_extract(answers.selection, '^(.+)_b[0-9.]+_s[0-9]+$', 1) AS method,
    regexp_extract(answers.selection, '_b([0-9.]+)_s[0-9]+$', 1) AS budget,
    CAST(regexp_extract(answers.selection, '_s([0-9]+)$', 1) AS BIGINT) AS seed,
    answers.question_id,
    answers.image_hash,
    answers.task,
    answers.reference,
    answers.answer,
    answers.score
FROM benchmark_scores.answers AS answers
