-- Generated from schemas/contracts; change the contract and generate again.
with source as (
    {{ stage_stream('jdwnrh__hospital_visit', source('lake', 'jdwnrh__hospital_visit')) }}
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
        visit_id,
        event,
        sex,
        age_years,
        department_code,
        visit_type,
        slot_date,
        slot_at,
        slot_minutes,
        triage,
        referral,
        person_key,
        hospital_person_key,
        pseudonym_key_id
    from source
),

final as (
    select * from renamed
)

select * from final
