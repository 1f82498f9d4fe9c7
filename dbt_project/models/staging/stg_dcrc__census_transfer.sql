-- Generated from schemas/contracts; change the contract and generate again.
with source as (
    {{ stage_stream('dcrc__census_transfer', source('lake', 'dcrc__census_transfer')) }}
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
        application_id,
        step,
        from_gewog_code,
        to_gewog_code,
        transfer_reason,
        office_code,
        actor_role,
        person_key,
        member_person_keys,
        pseudonym_key_id
    from source
),

final as (
    select * from renamed
)

select * from final
