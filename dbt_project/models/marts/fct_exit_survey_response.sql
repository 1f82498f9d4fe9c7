{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['response_id'], touched_records('dot__exit_survey')) }}",
    )
}}

with source as (
    select * from {{ staged('dot__exit_survey') }}
),

latest as (
    select *
    from source
    qualify
        row_number() over (
            partition by response_id
            order by broker_time desc, kafka_offset desc
        ) = 1
),

renamed as (
    select
        *,
        event_date as response_date,
        list_sum([
            spend_accommodation_usd, spend_transport_usd, spend_food_usd, spend_shopping_usd, spend_other_usd,
        ]) as spend_total_usd,
        (epoch_us(submitted_at) - epoch_us(started_at)) / 60e6 as answering_minutes
    from latest
),

final as (
    select
        response_id,
        survey_version,
        response_date,
        started_at,
        submitted_at,
        answering_minutes,
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
        spend_total_usd,
        dzongkhags_visited,
        overall_rating,
        accommodation_rating,
        guide_rating,
        transport_rating,
        airport_rating,
        value_rating,
        would_recommend,
        nudge_variant,
        survey_weight,
        certificate_id
    from renamed
)

select * from final
