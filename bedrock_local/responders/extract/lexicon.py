"""The words by which `extract` recognizes speakers, topics and headings."""

from __future__ import annotations


def split_words(text: str) -> frozenset[str]:
    """Split a list of words that is written as text."""
    return frozenset(text.split())


AGENTS = split_words("""
    agent representative rep advisor adviser wizard doctor clinician nurse supervisor manager support assistant
    operator csr associate specialist bot agente asesor asesora berater beraterin mitarbeiter mitarbeiterin
    conseiller conseillère
""")
CUSTOMERS = split_words("""
    customer caller client user patient member guest subscriber cliente clienta kunde kundin paciente
""")
NOT_HEADINGS = split_words("""
    transcript call conversation dialogue example examples note notes instructions rules format context input
    output answer summary json important remember headings sections keys fields task role system user text rule
    language with write use
""")
# Words that carry no topic, and single letters, as surnames are spelled out. A call that is full of them is English.
COMMON = split_words("""
    a an the and or but if of to in on at for from with by is are was were be been being am do does did have has
    had i you he she it we they me him her us them my your his its our their this that these those there here so
    not no yes as just can could will would should i'm it's that's i'll i've you're don't okay ok um uh yeah well
    what how when which who up out get got let all any more some very really about then now one know go sir ma'am
    b c d e f g h j k l m n o p q r s t u v w x y z
""")
MONEY_WORDS = split_words("dollar dollars euro euros pound pounds cent cents usd eur")
# Words that point to a topic, to politeness (which lowers a score) and to a mood.
CUES = {
    "reason": split_words("""
        calling called call about because problem issue wrong broken charged charge bill billed cancel cancelled
        return refund want wanted need needed trying tried like'd i'd like order ordered booking booked missing lost
        stolen damaged late delayed outage down error working stopped overcharged dispute unauthorized fraud claim
        appointment pain symptoms prescription upgrade change reschedule update renew renewal question locked password
        complaint received never noticed why twice double fee deposit leak internet slow policy book find looking
        weather reserve llamo porque problema factura pedido anrufe weil rechnung bestellung appelle parce problème
        facture commande
    """),
    "actions": split_words("""
        i've i'll we've we'll processed processing issued issue sent sending send updated updating applied apply
        credited credit escalate escalated escalating transfer transferred transferring scheduled schedule opened
        created ticket reset resetting removed waived refunded cancelled cancel booked booking ordered replaced
        replacement submit submitted filed blocked changed adjusted arranged arrange prescribe recommend antibiotics
        test tests refer checked activated added extended found
        enviado abierto puesto anulado cambiado geschickt eingetragen zurückgeholt geändert gesperrt storniert
        envoyé ouvert corrigé lancé validé annulé
    """),
    "outcome": split_words("""
        resolved fixed approved declined confirmed set complete completed done successfully unsuccessful works working
        refunded unable unfortunately cannot can't accepted agreed agree perfect booked final reversed reference denied
        refused rejected active credited scheduled solved restored waived unlocked released blocked available
        unavailable escalated escalating escalate transferred authority override approval pending waiting
        queue logged decision decide decides handing dropped disconnected ending connection gone dying battery plan
        options option
        confirmado confirmada resuelto pendiente autorizarlo cortado lamentablemente caso supervisora
        erledigt gelöst bestätigt leider vorgangsnummer abschließen entscheiden verbindung
        confirmé réglé malheureusement attente dossier régler décider coupé
    """),
    "follow_up": split_words("""
        within days hours tomorrow monday tuesday wednesday thursday friday saturday sunday week weeks receive will
        you'll we'll i'll callback email follow next until deadline arrive soon shortly once expect back
        contact if come days' later review
        días mañana semana lunes martes miércoles jueves viernes sábado envío mando devuelvo abono llamo
        tagen werktagen morgen woche montag dienstag mittwoch donnerstag freitag samstag schicke erstatte buche schreibe
        starte jours demain semaine lundi mardi mercredi jeudi vendredi samedi envoie rembourse vire offre passer
    """),
    "dates": split_words("""
        monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
        september october november december tomorrow today yesterday days weeks months am pm o'clock week month ago
    """),
    "polite": split_words("""
        thank thanks welcome goodbye bye hello hi hey assist help anything else pleasure apologize apologise sorry
        understand frustration patience appreciate day moment hold verify verification name email password birth spell
        great good morning afternoon evening wonderful okay alright yes no yeah sure gracias hola danke hallo merci
        bonjour notas notizen instant geduld paciencia angerufen llamé appelé
        please contacting choosing rest assured absolutely apologies inconvenience hear patient bear digits
        security hesitate reach value valued loyal loyalty priority satisfaction questions concerns assistance
        strive know further glad headset microphone noise statement training recorded screen loading typing
        form box tick step calls overnight weekend maintenance pin maiden
        street address zip postcode correct bother pick website contact notification notes hang mention
    """),
    "broken_off": split_words("dropped disconnected ending connection gone dying battery cortado verbindung coupé"),
    "angry": split_words("""
        frustrated frustrating angry upset unacceptable ridiculous terrible awful annoyed annoying disappointed
        disappointing worst furious complaint fed sick incompetent waste never inaceptable unverschämt inadmissible
    """),
    "happy": split_words("""
        great wonderful perfect excellent awesome appreciate happy glad amazing fantastic helpful relief lovely
        perfecto genial super parfait
    """),
}
# Words of an answer to an agent who asks for a name, a number or a date.
IDENTITY = split_words("""
    name birth born number digits zip postcode address email phone spelled avenue street road
    zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred double
    first second third fourth fifth sixth seventh eighth ninth tenth
    january february march april may june july august september october november december
""")
# What an agent says when a call is not settled yet, when it will not be, and when it is; tried in this order.
RESOLUTIONS = {
    "pending": split_words("""
        escalated escalating escalate escalation pending investigate investigating reference approval authority decision
        touch
    """),
    "unresolved": split_words(
        "unfortunately unable cannot can't couldn't declined refused afraid dropped disconnected"
    ),
    "resolved": split_words("""
        resolved fixed fix refunded reversed restored corrected approved unlocked rebooked replaced credited waived
        confirmed booked completed cancelled released solved activated scheduled successfully
    """),
}
