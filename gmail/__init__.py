"""The only code that speaks to Google's mail and OAuth: client, errors, tokens, consent."""
