{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['flight_id'], touched_records('dot__departures')) }}",
    )
}}

with source as (
    select * from {{ staged('dot__departures') }}
),

latest as (
    select *
    from source
    qualify
        row_number() over (
            partition by flight_id, nationality_group, purpose
            order by broker_time desc, kafka_offset desc
        ) = 1
),

renamed as (
    select
        *,
        event_date as departed_date
    from latest
),

final as (
    select
        flight_id,
        nationality_group,
        purpose,
        flight_number,
        carrier_code,
        destination_airport,
        departed_date,
        departed_at,
        passengers,
        certificate_id
    from renamed
)

select * from final
