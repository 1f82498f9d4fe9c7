with visit as (
    select count(*) as visits from {{ ref('fct_hospital_visit') }}
),

department_day as (
    select
        coalesce(sum(visits), 0) as visits,
        coalesce(sum(booked + walk_ins), 0) as booked_and_walk_ins
    from {{ ref('agg_department_day') }}
)

select
    visit.visits,
    department_day.visits as department_day_visits,
    department_day.booked_and_walk_ins
from visit
cross join department_day
where visit.visits <> department_day.visits or department_day.booked_and_walk_ins > department_day.visits
