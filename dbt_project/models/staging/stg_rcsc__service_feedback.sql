-- Generated from schemas/contracts; change the contract and generate again.
with source as (
    {{ stage_stream('rcsc__service_feedback', source('lake', 'rcsc__service_feedback')) }}
),

renamed as (
    select
        kafka_partition,
        kafka_offset,
        broker_time,
        ingest_date,
        certificate_id,
        record_key,
        has_identity,
        schema_version,
        event_id,
        source,
        event_time,
        event_date,
        corrects_event_id,
        feedback_id,
        service_code,
        office_code,
        application_id,
        channel,
        rating,
        speed_rating,
        courtesy_rating,
        clarity_rating,
        wait_minutes,
        visits_needed,
        is_resolved,
        person_key,
        pseudonym_key_id
    from source
),

final as (
    select * from renamed
)

select * from final
