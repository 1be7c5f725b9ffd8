/** HL7 v3 PurposeOfUse (value set v3-PurposeOfUse): what an access is for. */

/** Each code beside the one it specialises; the root `PurposeOfUse` is no purpose of its own. */
const parents: ReadonlyMap<string, string | undefined> = new Map([
  ...family(undefined, 'HMARKT HOPERAT HPAYMT HRESCH PATRQT PUBHLTH TREAT'),
  ...family('HOPERAT', 'CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP'),
  ...family('HOPERAT', 'HQUALIMP HSYSADMIN LABELING METAMGT MEMADMIN MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT'),
  ...family('HOPERAT', 'SYSDEV TRAIN'),
  ...family('HPAYMT', 'CLMATTCH COVAUTH COVERAGE REMITADV'),
  ...family('COVERAGE', 'ELIGDTRM ELIGVER ENROLLM MILDCRG'),
  ...family('HRESCH', 'BIORCH CLINTRCH DSRCH POARCH TRANSRCH'),
  ...family('CLINTRCH', 'CLINTRCHNPC CLINTRCHPC PRECLINTRCH'),
  ...family('PATRQT', 'FAMRQT PWATRNY SUPNWK'),
  ...family('PUBHLTH', 'DISASTER THREAT'),
  ...family('TREAT', 'CLINTRL COC ETREAT POPHLTH'),
  ...family('ETREAT', 'BTG ERTREAT'),
])

function family(parent: string | undefined, codes: string): [string, string | undefined][] {
  return codes.split(' ').map((code) => [code, parent])
}

export function isPurpose(code: string): boolean {
  return parents.has(code)
}

/** Emergency treatment, or a specialisation of it: break the glass, emergency room treatment. */
export function isEmergency(code: string): boolean {
  return lineOf(code).includes('ETREAT')
}

/** The code and everything it specialises, itself first. */
export function lineOf(code: string): readonly string[] {
  const line: string[] = []
  for (let at: string | undefined = code; at !== undefined; at = parents.get(at)) line.push(at)
  return line
}
