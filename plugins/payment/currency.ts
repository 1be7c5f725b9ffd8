/** ISO 4217: the decimals of a currency's minor unit. Which codes there are, the manifest's schema says. */

const exponents: Readonly<Record<number, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
}

/** An amount in minor units as a person writes it: `12.50 EUR`, `1250 JPY`, `1.250 KWD`. */
export function shownAmount(amount: number, currency: string): string {
  const decimals = Number(Object.keys(exponents).find((key) => exponents[Number(key)]?.includes(currency)) ?? 2)
  const digits = String(amount).padStart(decimals + 1, '0')
  const point = digits.length - decimals
  const whole = digits.slice(0, point)
  return decimals === 0 ? `${whole} ${currency}` : `${whole}.${digits.slice(point)} ${currency}`
}
