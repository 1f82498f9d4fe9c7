{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['application_id'], touched_records('dcrc__census_transfer')) }}",
    )
}}

with source as (
    select * from {{ staged('dcrc__census_transfer') }}
    where step = 'submitted'
),

submitted as (
    select *
    from source
    qualify
        row_number() over (
            partition by application_id
            order by event_date, event_time nulls last, kafka_partition, kafka_offset
        ) = 1
),

final as (
    select
        application_id,
        unnest(list_distinct({{ person_columns()['dcrc__census_transfer'] }})) as person_key,
        from_gewog_code,
        office_code,
        event_date as submitted_date,
        broker_time as known_at,
        certificate_id
    from submitted
)

select * from final
where person_key is not null
