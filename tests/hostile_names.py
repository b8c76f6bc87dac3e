"""Names of classes that would end a literal, a comment, a cell or a document."""

HOSTILE = (
    'evil"; int x = 1; //',
    "evil\nname\r\n---\n",
    "evil */ /* evil",
    "evil ${System.exit(1)} $x",
    "evil ??/ ??= \\",
    "evil | cell <script>evil()</script> [a](b) `c`",
    "evil: {a: [b]} # c",
    "ärgerlich 🙂 \u2028 \x7f",
    "evil\udcff",
    "",
)
