// Configuration: file to messages to checked specs.
