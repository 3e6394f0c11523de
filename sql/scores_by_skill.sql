-- What each method reaches in each skill: mean over seeds (with an answer) of the mean over the answered questions.
-- inputs: scored_answers
-- parameters: $dataset
-- grain: one row per method, budget and task
WITH seeds AS (
    SELECT
        method,
        budget,
        seed,
        coalesce(task, '(none)') AS task,
        count(score) AS n_answers,
        avg(score) AS score
    FROM scored_answers
    WHERE dataset = $dataset
    GROUP BY
        method,
        budget,
        seed,
        coalesce(task, '(none)')
)

SELECT
    method,
    budget,
    task,
    count(score) AS n_seeds,
    CAST(sum(n_answers) AS BIGINT) AS n_answers,
    avg(score) AS score
FROM seeds
GROUP BY
    method,
    budget,
    task
ORDER BY
    CAST(budget AS DOUBLE),
    method,
    task
