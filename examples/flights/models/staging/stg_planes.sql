select
    tail_number,
    year_built,
    manufacturer,
    model,
    engines,
    seats,
    case
        when engine like 'Turbo%' then 'turbine'
        when engine = 'Reciprocating' then 'piston'
        else 'other'
    end as engine_kind
from {{ ref('planes') }}
