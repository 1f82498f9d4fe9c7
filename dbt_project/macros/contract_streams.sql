{# Generated from schemas/contracts; change the contract and generate again. #}
{% macro contract_streams() %}
    {{ return([
        'dcrc__census_transfer',
        'dcrc__cid_issuance',
        'dot__departures',
        'dot__exit_survey',
        'jdwnrh__hospital_visit',
        'pmo__deliberation_vote',
        'pmo__policy_action',
        'rcsc__service_feedback',
    ]) }}
{% endmacro %}
