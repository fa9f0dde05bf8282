"""From calls and prompts to lines for Bedrock: checks of prompts, templates of bodies, records, input files."""
