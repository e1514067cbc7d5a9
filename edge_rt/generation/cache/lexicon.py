"""Words that decide on what a question asks, in English; of other languages nothing is known here.

Written for this program, by sense and not from any data.
"""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _sides(text: str) -> dict[str, str]:
    """Each word by the name of its line, the line's first word."""
    lines = (line.split() for line in text.strip().splitlines())
    return {word: line[0] for line in lines for word in line}


def _counted(text: str, first: int, step: int = 1) -> dict[str, int]:
    """Each word with its number, which grows by `step` from one to the next."""
    return {word: first + step * at for at, word in enumerate(text.split())}


SMALL: Mapping[str, int] = {
    **_counted("zero one two three four five six seven eight nine ten eleven twelve thirteen", 0),
    **_counted("fourteen fifteen sixteen seventeen eighteen nineteen", 14),
    **_counted("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10),
    **_counted("first second third fourth fifth sixth seventh eighth ninth tenth", 1),
    **_counted("eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth", 11),
    **_counted("double triple", 2),
    **_counted("twice thrice", 2),
    "dozen": 12,
}
"""Numbers and places in a row that are written as one word."""

SCALES: Mapping[str, int] = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "bn": 10**9,
}

FRACTIONS: Mapping[str, str] = _sides("half halves\nquarter quarters")

UNITS: Mapping[str, str] = _sides(
    """
    % percent pct percentage
    $ dollar dollars usd bucks
    ¢ cent cents
    € euro euros eur
    £ pound pounds gbp lb lbs
    ¥ yen jpy
    °C celsius centigrade
    °F fahrenheit
    kelvin kelvins
    mm millimetre millimetres millimeter millimeters
    cm centimetre centimetres centimeter centimeters
    m metre metres meter meters
    km kilometre kilometres kilometer kilometers
    inch inches
    foot feet ft
    yard yards
    mile miles
    mg milligram milligrams
    g gram grams
    kg kilogram kilograms kilo kilos
    ton tons tonne tonnes
    oz ounce ounces
    ml millilitre millilitres milliliter milliliters
    l litre litres liter liters
    gallon gallons
    cup cups
    ms millisecond milliseconds
    s second seconds sec secs
    min minute minutes mins
    h hour hours hr hrs
    day days
    week weeks
    month months
    year years yr yrs
    decade decades
    century centuries
    hz hertz
    khz kilohertz
    mhz megahertz
    ghz gigahertz
    w watt watts
    kw kilowatt kilowatts
    kwh kilowatt-hours kilowatt-hour
    v volt volts
    j joule joules
    bit bits
    byte bytes
    kb kilobyte kilobytes
    mb megabyte megabytes
    gb gigabyte gigabytes
    tb terabyte terabytes
    am a.m
    pm p.m
    """
)
"""Behind a number, or before it where it is a sign."""

TIMES: Mapping[str, str] = _sides(
    """
    monday mondays mon
    tuesday tuesdays tue tues
    wednesday wednesdays wed
    thursday thursdays thu thurs
    friday fridays fri
    saturday saturdays sat
    sunday sundays sun
    january jan
    february feb
    march
    april apr
    june jun
    july jul
    august aug
    september sep sept
    october oct
    november nov
    december dec
    spring
    summer
    autumn fall
    winter
    today
    tomorrow
    yesterday
    tonight
    morning
    noon midday
    afternoon
    evening
    night
    midnight
    daily
    weekly
    monthly
    yearly annual annually
    quarterly
    weekend weekends
    """
)

NEGATIONS = _words(
    "no not n't never none nobody nothing nowhere neither nor cannot without except excluding "
    "unless hardly barely rarely seldom lack lacks lacking fail fails failed unable deny denies "
    "denied refuse refuses refused avoid avoids avoiding stop stops prevent prevents isnt arent "
    "wasnt werent dont doesnt didnt cant couldnt wont wouldnt shouldnt hasnt havent hadnt"
)

PAST = _words("was were did had been")
"""In what asks about the past."""

QUESTIONS = _words("who whom whose what which when where why how")
MEASURES = _words("many much long old far often fast big large tall high deep heavy hot soon")
"""Behind "how": what is asked for."""

QUANTITIES: Mapping[str, str] = _sides(
    """
    all every each everyone everybody everything entire whole
    any anyone anybody anything
    some several few someone somebody something
    most majority
    both
    only just solely exclusively
    always
    sometimes occasionally
    usually often
    least minimum
    another other others else
    same
    """
)

OPPOSITES: tuple[tuple[frozenset[str], frozenset[str]], ...] = tuple(
    (_words(one), _words(other))
    for one, other in (
        (
            "up rise rises rose risen rising increase increases increased increasing gain gains "
            "gained grow grows grew growing growth climb climbs climbed jump jumps jumped raise "
            "raises raised raising soar soared higher more above over exceed exceeds exceeded",
            "down fall falls fell fallen falling decrease decreases decreased decreasing lose "
            "loses lost loss losses drop drops dropped shrink shrinks shrank decline declines "
            "declined declining reduce reduces reduced reducing lower lowers lowered fewer less "
            "below under slip slips slipped sink sinks sank",
        ),
        (
            "better best good advantages advantage pros benefit benefits strengths",
            "worse worst bad disadvantages disadvantage cons drawback drawbacks weaknesses",
        ),
        (
            "max maximum maximal largest biggest greatest highest longest tallest most",
            "min minimum minimal smallest least lowest shortest",
        ),
        ("large larger big bigger huge", "small smaller little tiny"),
        ("long longer", "short shorter brief"),
        ("before prior earlier previous previously preceding", "after later following next since"),
        (
            "first begin begins began beginning start starts started starting open opens opened",
            "last end ends ended ending finish finishes finished final close closes closed",
        ),
        (
            "buy buys bought buying purchase purchased import imports",
            "sell sells sold selling export exports",
        ),
        ("win wins won winning victory", "loses lost losing defeat"),
        (
            "add adds added adding include includes included including insert attach",
            "remove removes removed removing delete deletes deleted drop exclude excludes detach",
        ),
        (
            "enable enables enabled enabling activate on allow allows allowed",
            "disable disables disabled disabling deactivate off forbid forbids forbidden banned",
        ),
        ("hot hotter warm warmer", "cold colder cool cooler"),
        ("fast faster quick quicker quickly", "slow slower slowly"),
        ("old older ancient", "young younger new newer modern"),
        ("left", "right"),
        ("north northern", "south southern"),
        ("east eastern", "west western"),
        ("true right correct correctly", "false wrong incorrect incorrectly"),
        (
            "pass passes passed succeed succeeds succeeded success",
            "fail fails failed failing failure",
        ),
        (
            "male man men boy boys he him his father son husband brother king mr sir lord",
            "female woman women girl girls she her hers mother daughter wife sister queen mrs ms "
            "miss lady",
        ),
        (
            "encode encrypt compress encoding encryption",
            "decode decrypt decompress decoding decryption",
        ),
        ("upload send sends sent push", "download receive receives received pull"),
        ("ascending", "descending"),
        ("input inputs", "output outputs"),
        ("inside inner in indoor internal", "outside outer out outdoor external"),
        ("formal", "informal"),
        ("positive", "negative"),
        ("plus", "minus"),
        ("multiply times", "divide divided"),
        ("live alive living life", "die dies died dead death"),
        (
            "accept accepts accepted approve approved agree agrees agreed",
            "reject rejects rejected decline declined disagree disagrees disagreed",
        ),
        ("present", "absent"),
        ("rich wealthy", "poor"),
        ("cheap cheaper inexpensive", "expensive costly"),
        ("easy easier simple simpler", "hard harder difficult complex"),
        ("safe", "dangerous unsafe"),
        ("public", "private"),
        ("singular", "plural"),
        ("cause causes caused", "effect effects cure cures prevent"),
        ("deposit deposits deposited", "withdraw withdraws withdrew withdrawal withdrawals"),
        ("lend lends lent", "borrow borrows borrowed"),
        ("teach teaches taught", "learn learns learned"),
        ("arrive arrives arrived arrival", "leave leaves depart departs departed departure"),
        ("from", "to"),
    )
)
"""Sides of which a question takes the one or the other."""

TITLES = _words(
    "mr mrs ms miss dr prof professor sir lord lady jr sr corp corporation inc ltd limited co "
    "company plc llc gmbh ag group"
)
"""Beside a name, and no part of it."""

FUNCTION = _words(
    "a an the this that these those it its it's there here i me my mine we us our ours you your "
    "yours he him his she her hers they them their theirs who whom whose what which when where "
    "why how is are was were be been being am do does did doing done have has had having will "
    "would shall should can could may might must of in on at by for with about into onto to from "
    "as and or but if then than so such also too very just please could kindly hi hello hey thanks "
    "thank 's 'd 'll 're 've 'm i'm i'd i've i'll you're we're they're that's what's who's how's "
    "where's there's let's get got let st nd rd th"
)
"""Words that tell of nothing by themselves."""

FOREIGN = _words(
    "der das den dem des ein eine einen einem einer und ist sind nicht kein keine ich du er sie "
    "wir ihr mein dein wie wo wann warum welche von zu zum zur auf bei aus auch noch wird bitte "
    "le la les un une et est sont ne pas je tu il elle nous vous mon quel quelle qui que quoi où "
    "quand pourquoi avec dans sur pour de au aux ce cette peux "
    "el los las uno y es mi él ella qué cuál cómo dónde cuándo por con para del al se "
    "lo gli dei della di che chi dove quando perché non sono è ho "
    "os um uma não são eu você meu qual onde em com da na nos "
    "het een en van ik jij wij zijn niet geen wat hoe waar wanneer met op naar te "
    "jag och är inte hur vad var på jeg og er ikke hvordan hvad nie jest się jak co gdzie "
    "ei miten mikä missä ve bir bu değil"
)
"""Words that other languages have most often, and English seldom or never."""

IDLE = _words("really actually currently now still already exactly basically simply")
"""Words with which a question asks the same as without."""

GREETING = _words(
    "hello hi hey please help question answer like know wonder wondering thank thanks"
)
THANKS = _words("thank thanks advance take time")
"""What a sentence has that is only polite, before all else or behind it."""

TASKS = _words(
    "tell give show explain describe list name write make create compare find help say define "
    "summarize summarise translate convert calculate compute solve discuss provide suggest "
    "identify generate rewrite imagine consider use implement design draft compose outline "
    "analyze analyse evaluate answer complete choose select pick count sort add remove read draw "
    "plan build fix develop classify extract determine prove prepare assume act please"
)
"""Words that a task begins with."""

ASKING = _words(
    "who whom whose what which when where why how is are was were do does did can could would "
    "should will shall may might has have had am"
)
"""Words that a question begins with, whether or not it ends with its mark."""

WISHES = frozenset(
    (who, verb)
    for who in ("i", "we")
    for verb in ("need", "want", "wish", "would", "should", "must", "have", "can", "could")
) | {("i'd", "like"), ("we'd", "like"), ("how", "to")}
"""Two words, one behind the other, with which people say that they want something."""

OPENERS = _words(
    "if while although though however but and or so because since after before during under over "
    "between among within some many most all both each every any other another several few such "
    "next last suppose given using no yes not there here then also still meanwhile"
)
"""Words that begin a sentence with a capital letter without being names."""

SAME_SENSE: Mapping[str, str] = _sides(
    """
    say said tell told add state report announce
    explain describe discuss clarify
    show shown provide display demonstrate illustrate
    make made create write wrote written compose generate produce
    big large huge
    small little tiny
    buy bought purchase
    begin began begun start commence
    end finish conclude
    help assist aid
    need require
    want wish desire
    fix repair mend
    fast quick rapid
    car automobile
    picture image photo photograph
    kid child children kids
    movie film
    job occupation
    company firm business
    get got obtain receive
    use utilize utilise
    choose chose chosen select pick
    error mistake fault bug
    method way approach technique
    summary summarise summarize summarization synopsis
    correct right
    wrong incorrect
    difference distinction
    advantage benefit pro
    disadvantage drawback con
    important significant
    maybe perhaps
    about approximately around roughly
    city town
    cost price
    answer reply response
    near close nearby
    usually normally typically
    person people individual human
    kill slay
    attorney lawyer
    investigate probe
    decline drop fall fell fallen
    rise rose risen
    arrest detain
    take took taken
    give gave given
    go went gone
    come came
    see saw seen
    know knew known
    find found
    think thought believe
    bring brought
    keep kept
    leave left
    feel felt
    hold held
    run ran
    meet met
    send sent
    build built
    spend spent
    stand stood
    lead led
    lose lost
    win won
    pay paid
    grow grew grown
    break broke broken
    speak spoke spoken
    undergo underwent undergone
    become became
    steal stole stolen
    drive drove driven
    teach taught
    catch caught
    fight fought
    sell sold
    """
)
"""Words that may stand for each other, by the first of their line; stems, and what has none."""
