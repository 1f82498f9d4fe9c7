-- Generated from schemas/contracts; change the contract and generate again.
with source as (
    {{ stage_stream('dot__departures', source('lake', 'dot__departures')) }}
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
        flight_id,
        flight_number,
        carrier_code,
        departed_at,
        destination_airport,
        nationality_group,
        purpose,
        passengers,
        pseudonym_key_id
    from source
),

final as (
    select * from renamed
)

select * from final
