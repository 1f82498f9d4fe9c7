{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['participant_key'], touched_records('pmo__deliberation_vote')) }}",
    )
}}

with source as (
    select * from {{ staged('pmo__deliberation_vote') }}
),

latest as (
    select *
    from source
    qualify
        row_number() over (
            partition by conversation_id, statement_id, participant_key
            order by event_date desc, event_time desc nulls first, broker_time desc, kafka_offset desc
        ) = 1
),

renamed as (
    select
        *,
        event_date as voted_date
    from latest
),

final as (
    select
        conversation_id,
        statement_id,
        participant_key,
        vote,
        voted_date,
        certificate_id
    from renamed
)

select * from final
