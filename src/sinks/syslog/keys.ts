/** Keys of the CEF standard, version 0. Custom keys have a label beside them. */
const CEF = `act agentDnsDomain agentNtDomain agentTranslatedAddress agentTranslatedZoneURI agentZoneURI agt ahost aid amac app art at atz av c6a1 c6a2 c6a3 c6a4 cat cfp1 cfp2 cfp3 cfp4 cn1 cn2 cn3 cnt cs1 cs2 cs3 cs4 cs5 cs6 customerExternalID
customerURI destinationDnsDomain destinationServiceName destinationTranslatedAddress destinationTranslatedPort
destinationTranslatedZoneURI destinationZoneURI deviceAssetId deviceCustomDate1 deviceCustomDate2 deviceDirection
deviceDnsDomain deviceExternalId deviceFacility deviceInboundInterface deviceNtDomain deviceOutboundInterface devicePayloadId
deviceProcessName deviceTranslatedAddress deviceTranslatedZoneURI deviceZoneURI dhost dlat dlong
dmac dntdom dpid dpriv dproc dpt dst dtz duid duser dvc dvchost dvcmac dvcpid end eventId externalId fileCreateTime fileHash
fileId fileModificationTime filePath filePermission fileType flexDate1 flexNumber1 flexNumber2 flexString1 flexString2 fname
fsize in mrt msg oldFileCreateTime oldFileHash oldFileId oldFileModificationTime oldFileName oldFilePath
oldFilePermission oldFileSize oldFileType out outcome proto rawEvent reason request requestClientApplication requestContext
requestCookies requestMethod rt shost slat slong smac sntdom sourceDnsDomain sourceServiceName
sourceTranslatedAddress sourceTranslatedPort sourceTranslatedZoneURI sourceZoneURI spid spriv sproc spt src start suid suser
type`
const CEF_CUSTOM = /^(c6a|cfp|cn|cs|deviceCustomDate|flex)/

/** Predefined keys of LEEF, by IBM's guide. */
const LEEF = `accountName calCountryOrRegion calLanguage cat devTime devTimeFormat domain dst dstBytes dstMAC dstPackets dstPort
dstPostNAT dstPostNATPort dstPreNAT dstPreNATPort groupID identGrpName identHostName identMAC identNetBios identSecondlp
identSrc isLoginEvent isLogoutEvent policy proto realm resource role sev src srcBytes srcMAC srcPackets srcPort srcPostNAT
srcPostNATPort srcPreNAT srcPreNATPort totalPackets url usrName vSrc vSrcName`

const cef = CEF.split(/\s+/)
const labels = cef.filter((key) => CEF_CUSTOM.test(key)).map((key) => `${key}Label`)

/** A content of such a name must not pass for what the standard means by it. */
export const STANDARD_KEYS: Readonly<Record<'cef' | 'leef', ReadonlySet<string>>> = {
  cef: new Set([...cef, ...labels]),
  leef: new Set(LEEF.split(/\s+/)),
}

/** Characters that a key of CEF holds. A receiver cuts longer ones, or drops the event. */
export const LONGEST: Readonly<Record<string, number>> = {
  ...lengths(31, 'app proto'),
  ...lengths(40, 'externalId'),
  ...lengths(63, 'act outcome'),
  ...lengths(255, 'deviceExternalId'),
  ...lengths(
    1023,
    'cat destinationServiceName dhost dproc duser duid filePath fname msg reason request requestClientApplication requestMethod shost spriv sproc suid suser',
  ),
  ...lengths(2048, 'requestContext'),
  ...lengths(4000, 'cs1 cs2 cs3 cs4 cs5 cs6'),
}

function lengths(most: number, keys: string): Record<string, number> {
  return Object.fromEntries(keys.split(' ').map((key) => [key, most]))
}
