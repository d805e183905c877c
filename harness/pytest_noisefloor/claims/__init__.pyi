from .claim import Claim as Claim
from .claim import load_claims as load_claims
from .evidence import Evidence as Evidence
from .evidence import claimed_users as claimed_users
from .evidence import judge_evidence as judge_evidence
from .evidence import replace_evidence as replace_evidence
from .review import criterion_disagreement as criterion_disagreement
from .review import disagreement as disagreement
