select d.id, d.name, p.score, '{{ var("greeting") }}' as said
from {{ ref('described') }} d left join {{ ref('people') }} p on p.id = d.id
