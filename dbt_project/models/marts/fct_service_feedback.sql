{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['feedback_id'], touched_records('rcsc__service_feedback')) }}",
    )
}}

with source as (
    select * from {{ staged('rcsc__service_feedback') }}
),

latest as (
    select *
    from source
    qualify
        row_number() over (
            partition by feedback_id
            order by broker_time desc, kafka_offset desc
        ) = 1
),

renamed as (
    select
        *,
        event_date as feedback_date,
        event_time as given_at,
        case
            when service_code like 'cid-%' then 'dcrc__cid_issuance'
            when service_code = 'census-transfer' then 'dcrc__census_transfer'
        end as case_stream_key
    from latest
),

final as (
    select
        renamed.feedback_id,
        renamed.service_code,
        renamed.office_code,
        office.dzongkhag_code,
        renamed.application_id,
        renamed.person_key,
        renamed.channel,
        renamed.feedback_date,
        renamed.given_at,
        renamed.rating,
        renamed.speed_rating,
        renamed.courtesy_rating,
        renamed.clarity_rating,
        renamed.wait_minutes,
        renamed.visits_needed,
        renamed.is_resolved,
        service_case.service_code as case_service_code,
        service_case.outcome as case_outcome,
        service_case.turnaround_working_days as case_turnaround_working_days,
        service_case.is_within_standard as is_case_within_standard,
        service_case.application_id is not null as has_case,
        greatest(renamed.certificate_id, coalesce(service_case.certificate_id, -1)) as certificate_id
    from renamed
    left join {{ ref('fct_service_case') }} as service_case
        on
            renamed.case_stream_key = service_case.stream_key
            and renamed.application_id = service_case.application_id
    left join {{ source('reference', 'office') }} as office on renamed.office_code = office.code
)

select * from final
