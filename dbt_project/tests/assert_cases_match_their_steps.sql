{{ config(tags=['whole_stream']) }}

-- Every application with a step is one case with as many steps, and no case outlives its steps.
with step as (
    select
        stream_key,
        application_id,
        count(*) as step_count
    from {{ ref('int_case_step') }}
    group by stream_key, application_id
),

service_case as (
    select
        stream_key,
        application_id,
        step_count
    from {{ ref('fct_service_case') }}
)

select
    step.stream_key,
    step.application_id,
    service_case.application_id as case_application_id,
    step.step_count
from step
full outer join service_case
    on step.stream_key = service_case.stream_key and step.application_id = service_case.application_id
where step.step_count is distinct from service_case.step_count
