{{ config(tags=['whole_stream']) }}

-- Every visit with an event is one visit of the mart, and no visit outlives its events.
with event as (
    select distinct visit_id from {{ ref('int_visit_event') }}
),

visit as (
    select visit_id
    from {{ ref('fct_hospital_visit') }}
)

select
    event.visit_id,
    visit.visit_id as mart_visit_id
from event
full outer join visit on event.visit_id = visit.visit_id
where event.visit_id is null or visit.visit_id is null
