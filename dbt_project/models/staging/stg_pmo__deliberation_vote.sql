-- Generated from schemas/contracts; change the contract and generate again.
with source as (
    {{ stage_stream('pmo__deliberation_vote', source('lake', 'pmo__deliberation_vote')) }}
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
        conversation_id,
        statement_id,
        participant_key,
        vote,
        pseudonym_key_id
    from source
),

final as (
    select * from renamed
)

select * from final
