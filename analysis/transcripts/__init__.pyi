from .picking import pick_calls as pick_calls
from .reading import drop_empty_calls as drop_empty_calls
from .reading import read_calls as read_calls
