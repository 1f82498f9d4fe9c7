with source as (
    select * from {{ ref('fct_service_case') }}
    where not is_closed and person_key is not null and service_code <> 'cid-unknown'
),

counted as (
    select
        *,
        count(*) over (partition by person_key, service_code) as open_cases,
        row_number() over (
            partition by person_key, service_code
            order by coalesce(submitted_date, last_step_date), application_id
        ) as case_number
    from source
),

final as (
    select
        stream_key,
        application_id,
        service_code,
        person_key,
        office_code,
        dzongkhag_code,
        submitted_date,
        last_step,
        last_step_date,
        case_number,
        open_cases,
        certificate_id
    from counted
    where open_cases > 1
)

select * from final
