{{ config(materialized='ephemeral') }}

with source as (
    select * from {{ ref('int_residence_claim') }}
    {% if is_increment() %}
        where person_key in ({{ touched_persons() }})
    {% endif %}
),

instant as (
    select
        person_key,
        known_from_at as known_at
    from source
    union
    select
        person_key,
        known_to_at as known_at
    from source
    where known_to_at is not null
),

known as (
    select
        *,
        row_number() over (partition by person_key order by known_at) as known_number,
        coalesce(lead(known_at) over (partition by person_key order by known_at), 'infinity') as next_known_at
    from instant
),

move as (
    -- Of two moves on one day the last one counts.
    select
        source.*,
        known.known_number,
        known.known_at,
        known.next_known_at,
        row_number() over moves as move_number,
        lead(source.moved_date) over moves as next_moved_date
    from known
    inner join source on known.person_key = source.person_key
    where
        source.known_from_at <= known.known_at
        and (source.known_to_at is null or source.known_to_at > known.known_at)
    window moves as (
        partition by source.person_key, known.known_at
        order by source.moved_date, source.application_id
    )
),

final as (
    select
        person_key,
        application_id,
        known_number,
        known_at,
        next_known_at,
        certificate_id,
        to_gewog_code as gewog_code,
        moved_date as valid_from_date,
        next_moved_date as valid_to_date
    from move
    where next_moved_date is null or next_moved_date > moved_date
    union all
    select
        person_key,
        application_id,
        known_number,
        known_at,
        next_known_at,
        certificate_id,
        from_gewog_code as gewog_code,
        null::date as valid_from_date,
        moved_date as valid_to_date
    from move
    where move_number = 1 and from_gewog_code is not null
)

select * from final
