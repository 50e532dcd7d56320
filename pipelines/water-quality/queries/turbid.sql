-- The samples that are more turbid than so much.
select site, sample, turbidity_ntu
from samples
where turbidity_ntu > ?
order by turbidity_ntu desc, site, sample
