select person_key from {{ ref('fct_service_case') }}
where person_key is not null
union
select person_key from {{ ref('fct_hospital_visit') }}
where person_key is not null
union
select person_key from {{ ref('fct_service_feedback') }}
where person_key is not null
except
select person_key from {{ ref('dim_person') }}
