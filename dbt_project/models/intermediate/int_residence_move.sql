with source as (
    select * from {{ ref('stg_dcrc__census_transfer') }}
),

registered as (
    select
        application_id,
        arg_max(to_gewog_code, row(event_date, kafka_offset)) as to_gewog_code,
        max(event_date) filter (where step = 'registered') as moved_date
    from source
    group by application_id
    having bool_or(step = 'registered')
),

mover as (
    select distinct
        application_id,
        unnest({{ person_columns()['dcrc__census_transfer'] }}) as person_key
    from source
),

final as (
    select
        mover.person_key,
        registered.application_id,
        registered.to_gewog_code,
        registered.moved_date
    from registered
    inner join mover on registered.application_id = mover.application_id
    where mover.person_key is not null
)

select * from final
