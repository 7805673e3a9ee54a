/*
 * On Darwin, which release has which call. Nothing here: what is declared is there.
 */
