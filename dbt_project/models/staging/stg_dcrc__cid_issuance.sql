-- Generated from schemas/contracts; change the contract and generate again.
with source as (
    {{ stage_stream('dcrc__cid_issuance', source('lake', 'dcrc__cid_issuance')) }}
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
        application_type,
        sex,
        birth_year,
        permanent_gewog_code,
        channel,
        office_code,
        fee_btn,
        actor_role,
        person_key,
        guardian_person_key,
        pseudonym_key_id
    from source
),

final as (
    select * from renamed
)

select * from final
