{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['action_id'], touched_records('pmo__policy_action')) }}",
    )
}}

with source as (
    select * from {{ staged('pmo__policy_action') }}
),

latest as (
    select *
    from source
    qualify
        row_number() over (
            partition by action_id
            order by revision desc, broker_time desc, kafka_offset desc
        ) = 1
),

renamed as (
    select
        *,
        event_date as revised_date
    from latest
),

final as (
    select
        action_id,
        revision,
        title,
        owner_agency,
        scope_code,
        target_metric,
        target_value,
        target_unit,
        effective_from,
        effective_to,
        status,
        revised_date,
        certificate_id
    from renamed
)

select * from final
