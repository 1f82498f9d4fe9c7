{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['application_id'], touched_records('dcrc__census_transfer')) }}",
    )
}}

with step as (
    select * from {{ ref('int_transfer_step') }}
),

instant as (
    select
        application_id,
        known_from_at as known_at
    from step
    union
    select
        application_id,
        known_to_at as known_at
    from step
    where known_to_at is not null
),

known as (
    select
        *,
        lead(known_at) over (partition by application_id order by known_at) as next_known_at
    from instant
),

seen as (
    select
        step.*,
        known.known_at,
        known.next_known_at,
        row_number() over (
            partition by known.application_id, known.known_at
            order by step.event_date, step.event_time nulls last, step.kafka_partition, step.kafka_offset
        ) as step_number
    from known
    inner join step on known.application_id = step.application_id
    where
        step.known_from_at <= known.known_at
        and (step.known_to_at is null or step.known_to_at > known.known_at)
),

registered as (
    -- What a step leaves out is as the step before it said; arg_max passes over nulls.
    select
        application_id,
        known_at,
        next_known_at,
        arg_max(from_gewog_code, step_number) as from_gewog_code,
        arg_max(to_gewog_code, step_number) as to_gewog_code,
        arg_max(person_key, step_number) as person_key,
        arg_max(member_person_keys, step_number) as member_person_keys,
        max(event_date) filter (where step = 'registered') as moved_date,
        max(certificate_id) as certificate_id
    from seen
    group by application_id, known_at, next_known_at
    having bool_or(step = 'registered')
),

final as (
    select
        application_id,
        unnest(list_distinct({{ person_columns()['dcrc__census_transfer'] }})) as person_key,
        from_gewog_code,
        to_gewog_code,
        moved_date,
        known_at as known_from_at,
        next_known_at as known_to_at,
        certificate_id
    from registered
)

select * from final
where person_key is not null
