"""What is said and shown in the synthetic world, and what can be asked about it.

What a reader would not guess: every sentence was tried on the small English recogniser of the
embedded preset in each of `VOICES`; `avoid` names those in which it is misheard. The subject of
a fact, a shown text or an absent topic stands nowhere else, so a question has one answer.
"""

from __future__ import annotations

from typing import NamedTuple

VOICES = ("en-us", "en-us+f3", "en-us+m3", "en-gb+m7", "en-gb-x-rp", "en-gb+f2")
RATE_WPM = 150

Words = tuple[tuple[str, ...], ...]  # all of these; of each, any of the alternatives


class Line(NamedTuple):
    """A sentence, the voices that should not say it, and a word or two it is known by."""

    sentence: str
    avoid: tuple[str, ...]
    answer: Words


class Fact(NamedTuple):
    """A sentence said once; the questions about it use `{day}` as drawn from the seed."""

    line: Line
    question: str
    topic: str  # as in "when did somebody mention <topic>?"


class Shown(NamedTuple):
    """Text in the picture: a title and lines (a sign has a title only), and a question about it."""

    title: str
    lines: tuple[str, ...]
    question: str
    answer: Words


class Refrain(NamedTuple):
    """A sentence said several times, and what it is about."""

    line: Line
    topic: str


def _line(sentence: str, answer: str, avoid: str = "") -> Line:
    """Build a line; `answer` is "word/alternative word", `avoid` the ends of voice names."""
    groups = tuple(tuple(group.split("/")) for group in answer.split())
    bad = tuple(voice for voice in VOICES if voice.endswith(tuple(avoid.split()) or "?"))
    return Line(sentence, bad, groups)


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")

FACTS = (
    Fact(_line("My sister put the keys in the blue box.", "box", "f3 m7"),
         "Where are the keys?", "the keys"),
    Fact(_line("The dentist will see you on {day} morning.", "{day}", "en-us f3 m3 m7 rp"),
         "When will the dentist see me?", "the dentist"),
    Fact(_line("The concert will begin on {day} evening.", "{day}", "m7"),
         "When will the concert begin?", "the concert"),
    Fact(_line("The mechanic will repair the car on {day}.", "{day}", "en-us f3 m3 rp"),
         "When will the mechanic repair the car?", "the mechanic"),
    Fact(_line("The neighbors want to sell their house.", "house", "m3 m7 rp f2"),
         "What do the neighbors want to sell?", "the neighbors"),
    Fact(_line("The engineer found a crack in the bridge.", "crack", "m3 f3"),
         "What did the engineer find in the bridge?", "the bridge"),
    Fact(_line("The football game was cancelled because of the rain.", "rain", "f3 f2"),
         "Why was the football game cancelled?", "the football game"),
    Fact(_line("The farmer lost twenty sheep in the storm.", "twenty/20", "rp"),
         "How many sheep did the farmer lose?", "the sheep"),
    Fact(_line("The museum is closed because of a broken window.", "window", "en-us m3 m7 rp"),
         "Why is the museum closed?", "the museum"),
    Fact(_line("The children planted potatoes behind the garage.", "potatoes", "m7 f2"),
         "What did the children plant behind the garage?", "the potatoes"),
    Fact(_line("The hotel is next to the railway station.", "station"),
         "Where is the hotel?", "the hotel"),
    Fact(_line("The lawyer will send the contract on {day} morning.", "{day}"),
         "When will the lawyer send the contract?", "the contract"),
    Fact(_line("The printer on the second floor is broken.", "broken", "en-us m3 rp"),
         "What is wrong with the printer?", "the printer"),
    Fact(_line("The airplane will arrive in Chicago at midnight.", "midnight", "en-us f3 m3 rp f2"),
         "When will the airplane arrive in Chicago?", "the airplane"),
    Fact(_line("The wedding will be held in a small castle.", "castle", "en-us m7 rp f2"),
         "Where will the wedding be held?", "the wedding"),
    Fact(_line("The hospital needs more nurses.", "nurses", "en-us f3 m3 m7 rp"),
         "What does the hospital need?", "the nurses"),
    Fact(_line("The president will visit the factory on {day}.", "{day}", "m7 f2"),
         "When will the president visit the factory?", "the president"),
    Fact(_line("The insurance company will pay for the damage.", "insurance"),
         "Who will pay for the damage?", "the insurance company"),
    Fact(_line("The laptop is charging in the bedroom.", "bedroom", "en-us f3 rp"),
         "Where is the laptop charging?", "the laptop"),
    Fact(_line("The camera is in the yellow bag.", "bag", "en-us m7 rp f2"),
         "Where is the camera?", "the camera"),
    Fact(_line("The doctor said that my grandfather needs more sleep.", "sleep", "en-us m7 f2"),
         "What does my grandfather need?", "my grandfather"),
)  # fmt: skip

REFRAINS = (
    Refrain(_line("Please remember to feed the horses.", "horses"), "the horses"),
    Refrain(_line("Do not forget to lock the front door.", "door"), "the front door"),
    Refrain(_line("I am waiting for a telephone call.", "telephone"), "a telephone call"),
)

# Said in between; nothing is asked about them but what came before or after something else.
FILLERS = (
    _line("It is a beautiful morning.", "beautiful", "en-us m3"),
    _line("I think we should take a short break.", "break"),
    _line("That was a very good idea.", "idea"),
    _line("Thank you very much for your help.", "help", "f3"),
    _line("We are almost finished.", "finished", "f3"),
    _line("I am happy to see you again.", "happy"),
    _line("It was a long journey.", "journey", "en-us m3"),
    _line("Nothing special happened yesterday.", "yesterday"),
    _line("I would like to sit down now.", "sit"),
    _line("This is a wonderful place.", "wonderful"),
    _line("I am not sure about that.", "sure", "f3 rp f2"),
    _line("Let me think about it.", "think"),
    _line("You are absolutely right.", "absolutely"),
    _line("We can talk about it later.", "later"),
    _line("The sky is clear and blue.", "sky"),
    _line("I will be back in a moment.", "moment"),
    _line("What a lovely surprise.", "surprise"),
)

SHOWN = (
    Shown("LUNCH MENU", ("Tomato soup", "Roasted chicken", "Apple pie"),
          "What was on the lunch menu?", (("chicken", "soup", "apple"),)),
    Shown("PARKING LEVEL 14", (), "Which parking level was on the sign?", (("14", "fourteen"),)),
    Shown("SALES REPORT", ("Revenue grew by 18 percent", "Costs fell by 6 percent"),
          "What did the sales report on the screen say about revenue?", (("18",),)),
    Shown("GATE B 27", (), "Which gate was on the sign?", (("27",),)),
    Shown("SAFETY RULES", ("Wear a helmet", "Keep the exit free", "Call 112 for rescue"),
          "What did the safety rules on the screen say?", (("helmet", "exit", "112"),)),
    Shown("PROJECT PLAN", ("Design until March", "Testing until June", "Launch in September"),
          "When is the launch in the project plan on the screen?", (("september",),)),
    Shown("BAKERY OPENS AT 7", (), "When does the bakery open?", (("7", "seven"),)),
    Shown("ORDERS THIS WEEK", ("120 bottles", "45 crates", "8 barrels"),
          "How many barrels are in the orders on the screen?", (("8 barrels",),)),
    Shown("SPEED LIMIT 60", (), "What was the speed limit on the sign?", (("60", "sixty"),)),
    Shown("SOLAR PANELS", ("Output 350 watts", "Weight 19 kilograms"),
          "What is the output of the solar panels on the screen?", (("350",),)),
    Shown("MEETING ROOM 214", (), "Which meeting room was on the sign?", (("214",),)),
    Shown("TRAVEL BUDGET", ("Flights 900 euro", "Taxi 75 euro"),
          "What do the flights cost in the travel budget on the screen?", (("900",),)),
    Shown("TICKET OFFICE 38", (), "Which ticket office was on the sign?", (("38",),)),
)  # fmt: skip

# Slides that fill a talk or a long stream once the others are used up; nothing is asked of them.
FILLER_TITLES = ("Overview", "Background", "Method", "Example", "Results", "Summary")
FILLER_LINES = (
    "First look at the whole",
    "Then look at the parts",
    "Small steps are easier",
    "Measure before you change",
    "Write down what you learn",
    "Ask when it is not clear",
    "Compare with the old way",
    "Keep what works well",
)

# Topics that are never said or shown; asked as given.
ABSENT = (
    "When did somebody mention the submarine?",
    "What was said about the volcano?",
    "Where is the telescope?",
    "What was said about the election?",
    "When did somebody mention the guitar?",
    "What did the screen say about penguins?",
    "Who stole the diamond?",
)

# What only eyes could answer.
UNKNOWABLE = (
    "What colour is the dog?",
    "What is the man wearing?",
    "Does the woman look happy?",
    "How many people are in the picture?",
)

COUNTS = {2: ("2", "two", "twice"), 3: ("3", "three"), 4: ("4", "four"), 5: ("5", "five")}
