{{
    config(
        materialized='incremental',
        pre_hook="{{ remove_touched(['person_key'], touched_persons()) }}",
    )
}}

with source as (
    select
        *,
        row_number() over (
            partition by person_key
            order by event_date, event_time nulls last, stream_key, kafka_partition, kafka_offset
        ) as sighting_order
    from {{ ref('int_person_sighting') }}
    {% if is_incremental() %}
        where person_key in ({{ touched_persons() }})
    {% endif %}
),

renamed as (
    select
        person_key,
        coalesce(
            arg_max(sex, sighting_order) filter (where stream_key = 'dcrc__cid_issuance'),
            arg_max(sex, sighting_order)
        ) as sex,
        coalesce(
            arg_max(birth_year, sighting_order) filter (where stream_key = 'dcrc__cid_issuance'),
            arg_max(birth_year, sighting_order)
        ) // 10 * 10 as birth_decade,
        arg_max(permanent_gewog_code, sighting_order) as permanent_gewog_code,
        list_sort(list(distinct stream_key)) as stream_keys,
        min(event_date) as first_seen_date,
        max(event_date) as last_seen_date,
        max(certificate_id) as certificate_id
    from source
    group by person_key
),

last_move as (
    select
        person_key,
        arg_max(to_gewog_code, row(moved_date, application_id)) as to_gewog_code,
        max(moved_date) as moved_date
    from {{ ref('int_residence_move') }}
    {% if is_incremental() %}
        where person_key in ({{ touched_persons() }})
    {% endif %}
    group by person_key
),

final as (
    select
        renamed.person_key,
        renamed.sex,
        gewog.dzongkhag_code as residence_dzongkhag_code,
        last_move.moved_date as last_move_date,
        renamed.stream_keys,
        renamed.first_seen_date,
        renamed.last_seen_date,
        renamed.certificate_id,
        renamed.birth_decade || '-' || (renamed.birth_decade + 9) as birth_year_band,
        case
            when gewog.code is null then null
            when last_move.to_gewog_code is not null then 'dcrc__census_transfer'
            else 'dcrc__cid_issuance'
        end as residence_stream
    from renamed
    left join last_move on renamed.person_key = last_move.person_key
    left join {{ source('reference', 'gewog') }} as gewog
        on coalesce(last_move.to_gewog_code, renamed.permanent_gewog_code) = gewog.code
)

select * from final
