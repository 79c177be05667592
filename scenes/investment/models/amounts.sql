-- title.zh: 项目投资额（核对后）
-- title.en: Amounts of projects, checked
-- An amount may be in yuan where it is 30 billion yuan and more, a hundred times the output promised, or more than 200 million yuan a mu, and in 100 million where it is below one million yuan (limits are ours): it counts only once somebody has looked. Checks that are done correct it.
-- One project is one company or one name in one phase, in whatever counties it is reported; the first that was signed counts. A second phase says so.
WITH checked AS (
    SELECT project, verdict, corrected FROM invest_checks WHERE state = 'done' AND verdict IS NOT NULL QUALIFY row_number() OVER (PARTITION BY project ORDER BY closed DESC, number DESC) = 1
), judged AS (
    SELECT p.*, c.verdict, CASE WHEN c.verdict = 'mistake' THEN c.corrected ELSE p.investment END AS worth, p.investment >= 3000000 OR p.investment < 100 OR p.investment > 100 * p.promised_output OR (p.land > 0 AND p.investment / p.land > 20000) AS strange,
        coalesce(max(nullif(p.credit_code, '')) OVER (PARTITION BY p.name), p.name) || ' #' || CAST(coalesce(p.phase, 1) AS VARCHAR) AS identity
    FROM invest_projects AS p LEFT JOIN checked AS c ON c.project = p.project
), placed AS (
    SELECT *, row_number() OVER (PARTITION BY identity ORDER BY signed, project) AS nth, first(project) OVER (PARTITION BY identity ORDER BY signed, project) AS first_project FROM judged
)
SELECT placed.project, placed.name, replace(placed.name, '样例项目', 'Sample project') AS name_en, credit_code, placed.county, n.code AS county_code, park, link, digital, signed, investment, worth, land, energy, promised_output, promised_tax, support, left_on, identity, first_project,
    CASE WHEN nth > 1 THEN 'double' WHEN strange AND verdict IS NULL THEN 'unchecked' WHEN worth IS NULL THEN 'unchecked' WHEN left_on <= city_today() THEN 'left' ELSE 'counted' END AS standing
FROM placed LEFT JOIN county_codes AS n ON n.county = placed.county
