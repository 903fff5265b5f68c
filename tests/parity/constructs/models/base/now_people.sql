-- What the people are in this round.
select
    id, name, team, score,
    {% if var('round') == 1 %}changed_at::timestamp{% else %}case when id = 1 then timestamp '2024-02-01' else changed_at::timestamp end{% endif %} as changed_at,
    {% if var('round') == 1 %}score{% else %}case when id = 2 then 99 else score end{% endif %} as points
from {{ ref('people') }}
{% if var('round') == 2 %}where id <> 3
union all
select 5, 'Eve', 'blue', 50, timestamp '2024-02-02', 50{% endif %}
