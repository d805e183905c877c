from .figures import NO_MATPLOTLIB as NO_MATPLOTLIB
from .figures import can_draw as can_draw
from .labels import SHOWN as SHOWN
from .labels import render_label as render_label
from .prose import criterion_sentence as criterion_sentence
from .reach import render_forecast as render_forecast
from .summary import summarise as summarise
from .tables import render as render
