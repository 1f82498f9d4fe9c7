-- Generated from schemas/contracts; change the contract and generate again.
with source as (
    {{ stage_stream('pmo__policy_action', source('lake', 'pmo__policy_action')) }}
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
        action_id,
        title,
        owner_agency,
        scope_code,
        target_metric,
        target_value,
        target_unit,
        effective_from,
        effective_to,
        revision,
        status,
        pseudonym_key_id
    from source
),

final as (
    select * from renamed
)

select * from final
