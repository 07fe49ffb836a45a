"""What made-up firms are made of. Nobody here is real."""

# ruff: noqa: SIM905  # one word a line would fill pages

FIRST = """
    Alex Bo Cam Dana Eli Fran Gale Hana Ira Jo Kim Lee Mika Nell Oli Pat Quinn Robin Sam Toni Uma Vic Wren Yael Zoe Jürgen Zoé
""".split()
FAMILY = """
    Marlow Finch Harlow Tern Wexley Ashdown Birch Calder Dray Ellery Fenn Garrow Hollis Ives Jarrow Kestrel Larkin Mercer Nettle Orme
    Penrose Quill Rudd Selwyn Thorne Underhill Vance Whitlow Yardley Zeller Müller Brück Ölander Ibáñez Novák
""".split()
FANCY = """
    Northgate Bluebird Silverline Copperfield Highwater Redstone Greenleaf Oakridge Sunways Brightside Riverbank Ironworks
""".split()
TRADES = """
    Bakery Properties Catering Motors Gardens Flooring Dental Joinery Logistics Textiles Printing Plumbing Studios Farms Brewery Interiors
    Electrics Roofing Media Optics Pharmacy Stables Yachts Consulting Holdings Trading Services Group
""".split()
FORMS = ["Ltd", "Ltd", "Ltd", "LLP", "GmbH", "& Sons", "& Co.", "plc", ""]
TOPICS = (
    "VAT return, Payroll, Annual accounts, Bank reconciliation, Invoice query, Corporation tax, Year-end adjustments, Dividend, "
    "Company car, Pension, Loan agreement, Lease, Expenses, Bookkeeping, Management accounts, Stock count, Payment on account, "
    "Tax assessment, Audit, New employee, Insurance, Share transfer, Grant application, Meeting"
).split(", ")
VAGUE = ["Question", "Documents", "Urgent", "Following up", "Scan", "As discussed", "Quick one", "Missing papers", "Call"]
PERIODS = ["Q1", "Q2", "Q3", "Q4", "January", "March", "June", "September", "2025", "2026"]
SENTENCES = """
Please find the papers attached.
Could you have a look at this before Friday?
I am not sure how to book this one.
The bank asked for it again.
Thank you for your help last week.
Let me know if anything is missing.
We would like to settle this by the end of the month.
When is it due?
I have changed two of the figures.
Is that all right?
The total should be 4,310.50 now.
I shall be away until Monday.
Who signs this?
Shall we talk on the phone?
This is what the tax office sent.
It concerns the second half of the year.
""".strip().splitlines()
BY_THE_WAY = """
The {} is closed on Mondays.
We met at the {} yesterday.
They supply a {} in town.
My brother runs a {}.
""".strip().splitlines()
GOODBYES = ["Kind regards", "Kind regards", "Best regards,", "Best wishes", "Many thanks,", "Thanks", "Cheers", "Mit freundlichen Grüßen"]
FILES = ["scan0012.pdf", "IMG_4471.jpg", "figures.xlsx", "document.pdf", "invoice.pdf", "statement.pdf"]
