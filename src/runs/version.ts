/** The version that a run's documents name; a test holds it equal to package.json. */
export const tacetVersion = '0.1.0'
