-- Generated from schemas/contracts; change the contract and generate again.
with source as (
    {{ stage_stream('dot__exit_survey', source('lake', 'dot__exit_survey')) }}
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
        response_id,
        survey_version,
        language,
        channel,
        gate,
        flight_number,
        nationality_group,
        purpose,
        nights,
        party_size,
        is_first_visit,
        spend_accommodation_usd,
        spend_transport_usd,
        spend_food_usd,
        spend_shopping_usd,
        spend_other_usd,
        dzongkhags_visited,
        overall_rating,
        accommodation_rating,
        guide_rating,
        transport_rating,
        airport_rating,
        value_rating,
        would_recommend,
        nudge_variant,
        started_at,
        submitted_at,
        survey_weight,
        pseudonym_key_id
    from source
),

final as (
    select * from renamed
)

select * from final
