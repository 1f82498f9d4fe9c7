{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['person_key'], touched_persons()) }}",
    )
}}

with stay as (
    select * from {{ ref('int_residence_stay') }}
),

spell as (
    -- What two moments in a row know alike is one row.
    select
        *,
        known_number - row_number() over (
            partition by person_key, application_id, gewog_code, valid_from_date, valid_to_date
            order by known_number
        ) as spell_number
    from stay
),

merged as (
    select
        person_key,
        application_id,
        gewog_code,
        valid_from_date,
        valid_to_date,
        min(known_at) as known_from_at,
        nullif(max(next_known_at), 'infinity') as known_to_at,
        max(certificate_id) as certificate_id
    from spell
    group by person_key, application_id, gewog_code, valid_from_date, valid_to_date, spell_number
),

final as (
    select
        merged.person_key,
        merged.gewog_code,
        gewog.dzongkhag_code,
        merged.valid_from_date,
        merged.valid_to_date,
        merged.known_from_at,
        merged.known_to_at,
        merged.application_id,
        merged.certificate_id
    from merged
    left join {{ source('reference', 'gewog') }} as gewog on merged.gewog_code = gewog.code
)

select * from final
