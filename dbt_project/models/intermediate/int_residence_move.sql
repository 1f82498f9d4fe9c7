{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['application_id'], touched_records('dcrc__census_transfer')) }}",
    )
}}

with source as (
    select * from {{ staged('dcrc__census_transfer') }}
),

ordered as (
    select
        *,
        row_number() over (
            partition by application_id
            order by event_date, event_time nulls last, kafka_partition, kafka_offset
        ) as step_number
    from source
),

registered as (
    -- What a step leaves out is as the step before it said; arg_max passes over nulls.
    select
        application_id,
        arg_max(to_gewog_code, step_number) as to_gewog_code,
        arg_max(person_key, step_number) as person_key,
        arg_max(member_person_keys, step_number) as member_person_keys,
        max(event_date) filter (where step = 'registered') as moved_date
    from ordered
    group by application_id
    having bool_or(step = 'registered')
),

mover as (
    select distinct
        application_id,
        unnest({{ person_columns()['dcrc__census_transfer'] }}) as person_key
    from registered
),

final as (
    select
        mover.person_key,
        registered.application_id,
        registered.to_gewog_code,
        registered.moved_date
    from registered
    inner join mover on registered.application_id = mover.application_id
    where mover.person_key is not null
)

select * from final
