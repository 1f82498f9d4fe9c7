{{ config(materialized='ephemeral') }}

with landed as (
    select *
    from {{ identified('dcrc__census_transfer', source('lake', 'dcrc__census_transfer')) }} as transfer
    {% if is_increment() %}
        where record_key in ({{ touched_records('dcrc__census_transfer') }})
    {% endif %}
),

correction as (
    select
        landed.kafka_partition,
        landed.kafka_offset,
        min(later.broker_time) as corrected_at
    from landed
    inner join {{ source('lake', 'dcrc__census_transfer') }} as later
        on landed.source = later.source and landed.event_id = later.corrects_event_id
    where
        later.event_id <> later.corrects_event_id
        and row(later.broker_time, later.kafka_partition, later.kafka_offset) > {{ landed_position() }}
    group by landed.kafka_partition, landed.kafka_offset
),

deletion as (
    select
        landed.kafka_partition,
        landed.kafka_offset,
        min(later.broker_time) as deleted_at
    from landed
    inner join landed as later
        on landed.record_key = later.record_key and landed.kafka_partition = later.kafka_partition
    where later.is_deleted and later.kafka_offset > landed.kafka_offset
    group by landed.kafka_partition, landed.kafka_offset
),

final as (
    select
        landed.application_id,
        landed.step,
        landed.event_id,
        landed.event_date,
        landed.event_time,
        landed.from_gewog_code,
        landed.to_gewog_code,
        landed.person_key,
        landed.member_person_keys,
        landed.kafka_partition,
        landed.kafka_offset,
        landed.certificate_id,
        landed.broker_time as known_from_at,
        least(correction.corrected_at, deletion.deleted_at) as known_to_at
    from landed
    left join correction
        on
            landed.kafka_partition = correction.kafka_partition
            and landed.kafka_offset = correction.kafka_offset
    left join deletion
        on
            landed.kafka_partition = deletion.kafka_partition
            and landed.kafka_offset = deletion.kafka_offset
    left join {{ ref('base_repeated_event') }} as repeated
        on
            repeated.stream_key = 'dcrc__census_transfer'
            and landed.source = repeated.source
            and landed.event_id = repeated.event_id
    where
        not landed.is_deleted
        and (
            repeated.first_offset is null
            or (
                landed.kafka_partition = repeated.first_partition
                and landed.kafka_offset = repeated.first_offset
            )
        )
)

select * from final
