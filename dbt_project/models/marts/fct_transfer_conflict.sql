with submission as (
    select * from {{ ref('int_transfer_submission') }}
),

registered as (
    select * from {{ ref('dim_residence_history') }}
),

final as (
    select
        submission.application_id,
        submission.person_key,
        submission.office_code,
        submission.submitted_date,
        submission.known_at,
        submission.from_gewog_code as claimed_gewog_code,
        registered.gewog_code as registered_gewog_code,
        registered.dzongkhag_code as registered_dzongkhag_code,
        registered.valid_from_date as registered_since_date,
        registered.application_id as registered_by_application_id,
        service_case.outcome,
        coalesce(service_case.is_closed, false) as is_closed,
        greatest(
            submission.certificate_id, registered.certificate_id, coalesce(service_case.certificate_id, -1)
        ) as certificate_id
    from submission
    inner join registered
        on
            submission.person_key = registered.person_key
            and submission.application_id <> registered.application_id
            and submission.known_at >= registered.known_from_at
            and submission.known_at < coalesce(registered.known_to_at, timestamptz 'infinity')
            and submission.submitted_date >= coalesce(registered.valid_from_date, date '-infinity')
            and submission.submitted_date < coalesce(registered.valid_to_date, date 'infinity')
    left join {{ ref('fct_service_case') }} as service_case
        on
            submission.application_id = service_case.application_id
            and service_case.stream_key = 'dcrc__census_transfer'
    where submission.from_gewog_code <> registered.gewog_code
)

select * from final
