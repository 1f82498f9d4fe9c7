-- Reference data of another country may not sum up, and no mart is wrong because of it.
{{ config(severity='warn') }}

select
    dzongkhag.place_code,
    dzongkhag.population_2017,
    sum(gewog.population_2017) as gewogs_population_2017
from {{ ref('dim_place') }} as dzongkhag
inner join {{ ref('dim_place') }} as gewog on dzongkhag.place_code = gewog.parent_code
group by dzongkhag.place_code, dzongkhag.population_2017
having dzongkhag.population_2017 <> sum(gewog.population_2017)
